"""Random texts, and mutations of C, for the preprocessor and the parser of the C front end."""

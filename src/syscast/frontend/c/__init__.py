"""The front end for bcc's C: text to IR, with C's meaning."""

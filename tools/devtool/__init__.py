"""What `./dev` does behind its subcommands. Only the standard library; not part of the syscast package."""

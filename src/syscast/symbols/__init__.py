"""Names of the running machine: kernel symbols, why one cannot be traced, modules, containers."""

"""Files that run inside the test VM: first process, agent, pytest plugin. They import nothing of the harness."""

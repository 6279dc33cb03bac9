"""``syscast completion``: the script that makes a shell complete commands, options and targets."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from syscast.cli.main import COMPLETE
from syscast.cli.messages import show

_HELP = """Print the completion script of a shell.

\b
bash   eval "$(syscast completion bash)"            in ~/.bashrc
zsh    eval "$(syscast completion zsh)"             in ~/.zshrc, after compinit
fish   syscast completion fish | source             in ~/.config/fish/config.fish
"""


@click.command("completion", help=_HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Run ``syscast completion``."""
    root = click.get_current_context().find_root().command
    made = get_completion_class(shell)
    assert made is not None
    completion = made(root, {}, "syscast", COMPLETE)
    # click's own source() of bash starts bash to ask its version; the script is the same.
    show((completion.source_template % completion.source_vars()).splitlines())
    return 0

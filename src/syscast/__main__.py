"""``python -m syscast``."""

from syscast.cli.main import main

if __name__ == "__main__":
    main()

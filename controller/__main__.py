"""``python -m controller`` is the command ``serinus``."""

from controller.cli.main import main

if __name__ == "__main__":
    main()

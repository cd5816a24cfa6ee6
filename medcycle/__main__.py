"""`python -m medcycle`."""

from medcycle.cli.main import run

if __name__ == "__main__":
    run()

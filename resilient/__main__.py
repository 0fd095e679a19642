"""`python -m resilient`: the same as the command `resilient`."""

from resilient.cli.main import run

if __name__ == "__main__":
    run()

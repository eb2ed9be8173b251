"""The ``forwarder`` command, also as ``python -m forwarder``."""

import signal


def main() -> None:
    """Run the command line. Until it is imported, Ctrl-C ends the process as it ends any other, without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from forwarder import cli

    cli.main()


if __name__ == "__main__":
    main()

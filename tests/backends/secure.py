"""TLS of the backends: its options on the command line, and what they mean."""

import argparse
import ssl
from pathlib import Path


def secure_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--certificate", type=Path, help="PEM with the chain: TLS, with")
    parser.add_argument("--private-key", type=Path, help="this key")
    parser.add_argument("--client-ca", type=Path, help="PEM: demand a client certificate from these authorities")


def secured(options: argparse.Namespace) -> ssl.SSLContext | None:
    """TLS as the command line says; none without a certificate."""
    if options.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.certificate, options.private_key)
    if options.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(options.client_ca)
    return context


def scheme(options: argparse.Namespace) -> str:
    return "http" if options.certificate is None else "https"

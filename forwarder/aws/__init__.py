"""Credentials, requests that are signed, and what AWS's errors mean."""

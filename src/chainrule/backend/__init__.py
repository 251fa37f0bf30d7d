"""Backends turn a graph into something that runs."""

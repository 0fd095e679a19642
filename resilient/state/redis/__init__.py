"""Scope state that many machines share through Redis."""

"""The command line: `resilient explain`, `check`, `catalogs`, `emulate`, `drill`."""

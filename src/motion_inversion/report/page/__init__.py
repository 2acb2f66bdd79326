"""The report as a page: tables, a plot and all clips in sync, in a folder that opens without a server."""

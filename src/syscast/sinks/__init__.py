"""Sinks: where batches of events go. One file each; `syscast.sinks.registry` lists them."""

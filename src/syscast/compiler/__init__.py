"""The driver of the compile tower: requests in, an object out. It knows no kernel and needs no root."""

"""Runs Debian's bpfcc-tools under the drop-in, or under the real bcc, and says of each how far it came."""

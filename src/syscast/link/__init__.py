"""Attachments and their owners, one class per way to attach.

``link.protocol.Link`` is what all of them do: ``close``, ``missed``, ``describe``.
"""

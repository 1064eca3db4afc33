"""Clients of other servers; each maps foreign errors at one seam."""

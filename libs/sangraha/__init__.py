"""What Sangraha's services share; this package imports none of them."""

__version__ = "0.1.0"

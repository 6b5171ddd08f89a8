"""The whole stack as processes of one machine: for `make up`, tests and figures."""

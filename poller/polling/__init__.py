"""One round of polling: which account is asked when, and what its attempts come to."""

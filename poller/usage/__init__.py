"""What an answer says: pure, total, without clock or I/O."""

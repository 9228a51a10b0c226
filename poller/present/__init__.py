"""Values into text: records, tables. No I/O, no clock."""

"""What was seen, kept in real files: on full disks, under locks, among kills."""

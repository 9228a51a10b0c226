"""What people and programs read: knows reports, nothing else."""

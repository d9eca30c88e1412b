"""What a release is made by: the lock, the audit, the bill of materials, the build."""

"""What was seen: row schemas, the journals' decoder, run directories. The ground floor."""

"""What takes a finding away: a change at the user's own line, from the source and the evidence."""

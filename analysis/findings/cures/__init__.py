"""Changes at the user's own line that fix a finding, from the source and the evidence."""

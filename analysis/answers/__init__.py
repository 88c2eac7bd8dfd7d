"""What a run found out, in a few sentences that compare: one class per kind of sentence."""

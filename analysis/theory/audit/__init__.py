"""What a service that was audited would do: with a change of its code, with more users."""

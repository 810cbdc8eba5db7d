"""An appliance that differs from the example in all that it can: for comparing targets, not for copying."""

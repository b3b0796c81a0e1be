"""The same main job, as each kind of caller does it, on a running stack."""

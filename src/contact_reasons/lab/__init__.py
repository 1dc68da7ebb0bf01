"""The routing lab: what a change of policy would bring, before anybody is sent anywhere."""

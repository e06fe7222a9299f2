"""How surely checks of answers tell a worse model from an equal one: really trained models, virtual time."""

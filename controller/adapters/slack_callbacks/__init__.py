"""What people press in Slack: from the signed call to the word that is carried out, and the answer to it."""

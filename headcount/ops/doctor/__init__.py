"""The doctor: reads facts about a deployment once, judges each, and says what to do."""

"""The other side of HL7 v2: a МИС that sends messages, and one that is told."""

"""The other side of the contract: a small MIS (`simulate`), and a conformance run against either side (`check`)."""

"""Query/Retrieve over real DICOM: workstations of two МО at their proxies and at the centre, and who attacks them."""

"""The one module that imports ``orthanc``, which exists only inside an Orthanc process."""

import orthanc

ErrorCode = orthanc.ErrorCode
MetricsType = orthanc.MetricsType
ChangeType = orthanc.ChangeType
DicomInstance = orthanc.DicomInstance
InstanceOrigin = orthanc.InstanceOrigin
OrthancException = orthanc.OrthancException
ReceivedInstanceAction = orthanc.ReceivedInstanceAction
ResourceType = orthanc.ResourceType
RestOutput = orthanc.RestOutput
StorageCommitmentFailureReason = orthanc.StorageCommitmentFailureReason
WorklistAnswers = orthanc.WorklistAnswers
WorklistQuery = orthanc.WorklistQuery

create_dicom_instance = orthanc.CreateDicomInstance
get_configuration = orthanc.GetConfiguration
log_error = orthanc.LogError
log_info = orthanc.LogInfo
log_warning = orthanc.LogWarning
lookup_instance = orthanc.LookupInstance
on_change = orthanc.RegisterOnChangeCallback
on_cstore = orthanc.RegisterIncomingCStoreInstanceFilter
on_find = orthanc.RegisterFindCallback
on_http_request = orthanc.RegisterIncomingHttpRequestFilter
on_move = orthanc.RegisterMoveCallback2
on_received_instance = orthanc.RegisterReceivedInstanceCallback
on_rest = orthanc.RegisterRestCallback
on_storage_commitment = orthanc.RegisterStorageCommitmentScpCallback
on_worklist = orthanc.RegisterWorklistCallback
rest_delete = orthanc.RestApiDelete
rest_get = orthanc.RestApiGet
rest_post = orthanc.RestApiPost
rest_put = orthanc.RestApiPut
set_metric = orthanc.SetMetricsValue
transcode = orthanc.TranscodeDicomInstance

#: With the caller's address; Python plugin 7.0 and later, and so not on trixie.
on_find_from = getattr(orthanc, "RegisterFindCallback2", None)
on_move_from = getattr(orthanc, "RegisterMoveCallback3", None)

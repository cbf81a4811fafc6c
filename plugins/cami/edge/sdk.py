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
on_http_request = orthanc.RegisterIncomingHttpRequestFilter
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

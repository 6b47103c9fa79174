# A batch endpoint by curl alone: code, model, environment, compute, endpoint, deployment, defaults, jobs, predictions.
# Needs: ENDPOINT_NAME, and the exports of `batchyard env`.

MANAGEMENT=$AZUREML_DEV_URL_MFE # In the place of https://management.azure.com.

SUBSCRIPTION_ID=$(az account show --query id | tr -d '\r"')
RESOURCE_GROUP=$(az group show --query name | tr -d '\r"')
WORKSPACE=$(az configure -l --query "[?name=='workspace'].value" -o tsv)
LOCATION=$(az ml workspace show --query location -o tsv)
TOKEN=$(az account get-access-token --query accessToken -o tsv)
API_VERSION="2022-05-01"
WORKSPACE_ID="/subscriptions/$SUBSCRIPTION_ID/resourceGroups/$RESOURCE_GROUP/providers/Microsoft.MachineLearningServices/workspaces/$WORKSPACE"

# field PATH: the value at a dotted path of the JSON on standard input, "null" where there is none.
field () {
    python3 -c '
import json, sys
found = json.load(sys.stdin)
for part in sys.argv[1].split("."):
    found = found[int(part)] if isinstance(found, list) else (found or {}).get(part)
print("null" if found is None else found)' "$1"
}

# put PATH BODY: what a PUT of a resource answers; a refusal ends the script.
put () {
    curl --silent --show-error --fail-with-body --location --request PUT "$MANAGEMENT$WORKSPACE_ID/$1?api-version=$API_VERSION" \
        --header "Authorization: Bearer $TOKEN" --header "Content-Type: application/json" --data-raw "$2"
}

wait_for_completion () {
    operation_id=$1
    access_token=$2
    status="unknown"
    while [[ $status != "Completed" && $status != "Succeeded" && $status != "Failed" && $status != "Canceled" ]]
    do
        operation_result=$(curl --silent --show-error --location --request GET "$operation_id" --header "Authorization: Bearer $access_token")
        status=$(echo "$operation_result" | field status)
        if [[ $status == "null" ]]
        then
            status=$(echo "$operation_result" | field properties.status)
        fi
        if [[ $status == "null" ]]
        then
            status="Failed"
        fi
        sleep 0.2
    done
    if [[ $status == "Failed" || $status == "Canceled" ]]
    then
        echo "$operation_id ended as $status: $operation_result" >&2
        exit 1
    fi
}

# The default datastore, and uploads to it by Put Blob.
response=$(curl --silent --show-error --fail-with-body --location --request GET "$MANAGEMENT$WORKSPACE_ID/datastores?api-version=$API_VERSION&isDefault=true" \
    --header "Authorization: Bearer $TOKEN")
DATASTORE=$(echo "$response" | field value.0.name)
BLOB_URI_ROOT="$(echo "$response" | field value.0.properties.protocol)://$(echo "$response" | field value.0.properties.accountName).blob.$(echo "$response" | field value.0.properties.endpoint)/$(echo "$response" | field value.0.properties.containerName)"
STORAGE_TOKEN=$(az account get-access-token --resource https://storage.azure.com --query accessToken -o tsv)


# upload FILE URL: one blob, by a token, or by a URL that is signed.
upload () {
    curl --silent --show-error --fail-with-body --request PUT "$2" --header "Authorization: Bearer $STORAGE_TOKEN" \
        --header "x-ms-blob-type: BlockBlob" --header "x-ms-version: 2026-10-06" --data-binary "@$1"
}

upload_signed () {
    curl --silent --show-error --fail-with-body --request PUT "$2" \
        --header "x-ms-blob-type: BlockBlob" --header "x-ms-version: 2026-10-06" --data-binary "@$1"
}

# Code as older scripts register it: from the default datastore.
upload deployment-first/code/batch_driver.py "$BLOB_URI_ROOT/score/batch_driver.py"
put codes/score-rest/versions/1 "{\"properties\": {\"description\": \"Score code\", \"codeUri\": \"$BLOB_URI_ROOT/score\"}}" > code-1.json

# And as newer ones do: into a place of its own, by a signed URL.
response=$(curl --silent --show-error --fail-with-body --request POST "$MANAGEMENT$WORKSPACE_ID/codes/score-rest/versions/2/startPendingUpload?api-version=$API_VERSION" \
    --header "Authorization: Bearer $TOKEN" --header "Content-Type: application/json" --data-raw '{"pendingUploadType": "TemporaryBlobReference"}')
CODE_URI=$(echo "$response" | field blobReferenceForConsumption.blobUri)
CODE_SIGNED=$(echo "$response" | field blobReferenceForConsumption.credential.sasUri)
upload_signed deployment-first/code/batch_driver.py "$CODE_URI/score/batch_driver.py?${CODE_SIGNED#*\?}"
put codes/score-rest/versions/2 "{\"properties\": {\"codeUri\": \"$CODE_URI/score\", \"isAnonymous\": false}}" > code-2.json

upload model/model.txt "$BLOB_URI_ROOT/model/model.txt"
put models/rest/versions/1 "{\"properties\": {\"modelUri\": \"azureml://subscriptions/$SUBSCRIPTION_ID/resourceGroups/$RESOURCE_GROUP/workspaces/$WORKSPACE/datastores/$DATASTORE/paths/model\"}}" > model.json

CONDA_FILE=$(cat environment/conda.json | sed 's/"/\\"/g')
ENV_VERSION=$RANDOM
put environments/rest-env/versions/$ENV_VERSION "{
    \"properties\":{
        \"condaFile\": $(echo \"$CONDA_FILE\"),
        \"image\": \"mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest\"
    }
}" > environment.json

put computes/rest-cluster "{
    \"properties\":{
        \"computeType\": \"AmlCompute\",
        \"properties\": {
            \"osType\": \"Linux\",
            \"vmSize\": \"STANDARD_D2_V2\",
            \"scaleSettings\": {
                \"maxNodeCount\": 5,
                \"minNodeCount\": 0
            },
            \"remoteLoginPortPublicAccess\": \"NotSpecified\"
        },
    },
    \"location\": \"$LOCATION\"
}" > compute.json

response=$(put batchEndpoints/$ENDPOINT_NAME "{\"properties\": {\"authMode\": \"aadToken\"}, \"location\": \"$LOCATION\"}")
wait_for_completion "$(echo "$response" | field properties.properties.AzureAsyncOperationUri)" "$TOKEN"

# deploy NAME CODE_VERSION: prints the headers of the answer, then its body.
deploy () {
    curl --silent --show-error --fail-with-body --include --location --request PUT \
        "$MANAGEMENT$WORKSPACE_ID/batchEndpoints/$ENDPOINT_NAME/deployments/$1?api-version=$API_VERSION" \
        --header "Content-Type: application/json" --header "Authorization: Bearer $TOKEN" --data-raw "{
    \"location\": \"$LOCATION\",
    \"properties\": {
        \"model\": {
            \"referenceType\": \"Id\",
            \"assetId\": \"$WORKSPACE_ID/models/rest/versions/1\"
        },
        \"codeConfiguration\": {
            \"codeId\": \"$WORKSPACE_ID/codes/score-rest/versions/$2\",
            \"scoringScript\": \"batch_driver.py\"
        },
        \"environmentId\": \"$WORKSPACE_ID/environments/rest-env/versions/$ENV_VERSION\",
        \"compute\": \"$WORKSPACE_ID/computes/rest-cluster\",
        \"resources\": {
            \"instanceCount\": 1
        },
        \"maxConcurrencyPerInstance\": \"1\",
        \"retrySettings\": {
            \"maxRetries\": 3,
            \"timeout\": \"PT30S\"
        },
        \"errorThreshold\": \"10\",
        \"loggingLevel\": \"info\",
        \"miniBatchSize\": \"5\",
    }
}" | tr -d '\r'
}

# Polled by the URL in the body, as the samples do; then by either header.
deploy nonmlflowedp 1 > first.txt
wait_for_completion "$(sed '1,/^$/d' first.txt | field properties.properties.AzureAsyncOperationUri)" "$TOKEN"
deploy second 2 > second.txt
wait_for_completion "$(sed -n 's/^azure-asyncoperation: //Ip' second.txt)" "$TOKEN"
LOCATION_HEADER=$(sed -n 's/^location: //Ip' second.txt)
until [[ $(curl --silent --output result.json --write-out '%{http_code}' "$LOCATION_HEADER" --header "Authorization: Bearer $TOKEN") != 202 ]]
do
    sleep 0.2
done
curl --silent --fail-with-body --location "$LOCATION_HEADER" --header "Authorization: Bearer $TOKEN" > second.json

response=$(put batchEndpoints/$ENDPOINT_NAME "{
    \"properties\": {
        \"authMode\": \"aadToken\",
        \"defaults\": {
            \"deploymentName\": \"nonmlflowedp\"
        }
    },
    \"location\": \"$LOCATION\"
}")
wait_for_completion "$(echo "$response" | field properties.properties.AzureAsyncOperationUri)" "$TOKEN"

# A patch changes what it names alone: the default there and back again.
for DEFAULT in second nonmlflowedp
do
    curl --silent --show-error --fail-with-body --request PATCH "$MANAGEMENT$WORKSPACE_ID/batchEndpoints/$ENDPOINT_NAME?api-version=$API_VERSION" \
        --header "Content-Type: application/json" --header "Authorization: Bearer $TOKEN" \
        --data-raw "{\"properties\": {\"defaults\": {\"deploymentName\": \"$DEFAULT\"}}}" | field properties.defaults.deploymentName >> defaults.txt
done

response=$(curl --silent --show-error --fail-with-body --location --request GET "$MANAGEMENT$WORKSPACE_ID/batchEndpoints/$ENDPOINT_NAME?api-version=$API_VERSION" \
    --header "Content-Type: application/json" --header "Authorization: Bearer $TOKEN")
SCORING_URI=$(echo "$response" | field properties.scoringUri)
SCORING_TOKEN=$(az account get-access-token --resource https://ml.azure.com --query accessToken -o tsv)

upload data/a.txt "$BLOB_URI_ROOT/rest-data/a.txt"
upload data/b.txt "$BLOB_URI_ROOT/rest-data/b.txt"
DATA_PATH="azureml://datastores/$DATASTORE/paths/rest-data"
put data/rest-data/versions/1 "{\"properties\": {\"dataType\": \"uri_folder\", \"dataUri\": \"$DATA_PATH\"}}" > data.json

# score BODY [DEPLOYMENT]: waits for the job and prints the first line of its predictions.
score () {
    response=$(curl --silent --show-error --fail-with-body --location --request POST "$SCORING_URI" \
        --header "Authorization: Bearer $SCORING_TOKEN" --header "Content-Type: application/json" \
        --header "azureml-model-deployment: ${2:-nonmlflowedp}" --data-raw "$1")
    JOB_ID=$(echo "$response" | field id)
    JOB_ID_SUFFIX=$(echo ${JOB_ID##/*/})
    wait_for_completion "$SCORING_URI/$JOB_ID_SUFFIX" "$SCORING_TOKEN"
    job=$(curl --silent --show-error --fail-with-body "$MANAGEMENT$JOB_ID?api-version=$API_VERSION" --header "Authorization: Bearer $TOKEN")
    OUTPUT=$(echo "$job" | field properties.outputs.score.uri)
    FILE=$(echo "$job" | field properties.batchyard.settings.outputFileName)
    curl --silent --show-error --fail-with-body "$BLOB_URI_ROOT/${OUTPUT#*/paths/}/$FILE" --header "Authorization: Bearer $STORAGE_TOKEN" | sort | tr '\n' ' '
    echo "$(echo "$job" | field properties.batchyard.deployment) $OUTPUT $FILE"
}

INPUT="\"InputData\": {\"anyName\": {\"JobInputType\": \"UriFolder\", \"Uri\": \"$DATA_PATH\"}}"
{
    score "{\"properties\": {\"dataset\": {\"dataInputType\": \"DataUrl\", \"Path\": \"$DATA_PATH\"}}}"
    score "{\"properties\": {\"dataset\": {\"dataInputType\": \"DatasetVersion\", \"datasetName\": \"rest-data\", \"datasetVersion\": \"1\"}}}"
    score "{\"properties\": {\"dataset\": {\"dataInputType\": \"DatasetId\", \"datasetId\": \"$WORKSPACE_ID/datasets/rest-data/versions/1\"}}}"
    score "{\"properties\": {$INPUT, \"outputDataset\": {\"datastoreId\": \"$WORKSPACE_ID/datastores/$DATASTORE\", \"path\": \"$ENDPOINT_NAME\"}, \"outputFileName\": \"older.csv\",}}"
    score "{\"properties\": {$INPUT}}" second
    score "{\"properties\": {\"inputData\": {\"n\": {\"jobInputType\": \"UriFile\", \"uri\": \"azureml:$WORKSPACE_ID/datastores/$DATASTORE/paths/rest-data/a.txt\"}}}}"
    score "{\"properties\": {\"InputData\": {\"mnistinput\": {\"JobInputType\": \"UriFolder\", \"Uri\": \"azureml://locations/$LOCATION/workspaces/$WORKSPACE/data/rest-data/versions/labels/latest\"}}, \"OutputData\": {\"customOutput\": {\"JobOutputType\": \"UriFolder\", \"Uri\": \"azureml://datastores/$DATASTORE/paths/batch/$ENDPOINT_NAME/folder/\"}},}}"
    score "{\"properties\": {$INPUT, \"OutputData\": {\"score\": {\"JobOutputType\": \"UriFile\", \"Uri\": \"azureml:$WORKSPACE_ID/datastores/$DATASTORE/paths/batch/$ENDPOINT_NAME/file.csv\"}}}}"
} > scored.txt

curl --silent --show-error --fail-with-body --location --request DELETE "$MANAGEMENT$WORKSPACE_ID/batchEndpoints/$ENDPOINT_NAME?api-version=$API_VERSION" \
    --header "Content-Type: application/json" --header "Authorization: Bearer $TOKEN" || true

# A custom scoring script: model, compute, endpoint, two deployments, overrides, outputs, a switch of the default.

SUBSCRIPTION=$(az account show --query id -o tsv)
az account set --subscription "$SUBSCRIPTION"
az configure --defaults group=local workspace=default location=local
test "$(az group show --query location -o tsv)" = "$(az ml workspace show --query location -o tsv)"

ENDPOINT_SUFFIX=$(tr -dc 'a-z0-9' < <(head -c 4096 /dev/urandom) | head -c 5)
ENDPOINT_NAME="small-$ENDPOINT_SUFFIX"

echo "Registering the first model"
az ml model create --name small-model --type "custom_model" --path "model"
az ml compute create -n batch-cluster --type amlcompute --min-instances 0 --max-instances 5
az ml batch-endpoint create --file endpoint.yml --name $ENDPOINT_NAME
az ml batch-endpoint show --name $ENDPOINT_NAME

echo "Creating the first deployment"
az ml batch-deployment create --f deployment-first/deployment.yml --endpoint-name $ENDPOINT_NAME --set-default
DEPLOYMENT_NAME="first-dpl"
az ml batch-deployment show --name $DEPLOYMENT_NAME --endpoint $ENDPOINT_NAME

check_job () {
    az ml job stream -n $JOB_NAME
    STATUS=$(az ml job show -n $JOB_NAME --query status -o tsv)
    echo $STATUS
    if [[ $STATUS == "Completed" ]]
    then
        echo "Job completed"
    elif [[ $STATUS == "Failed" ]]
    then
        echo "Job failed"
        exit 1
    else
        echo "Job status not failed or completed"
        exit 2
    fi
}

echo "Invoking with a local folder"
JOB_NAME=$(az ml batch-endpoint invoke --name $ENDPOINT_NAME --input data --input-type uri_folder --query name -o tsv)
az ml job show -n $JOB_NAME --web 2> web.txt
az ml job show -n $JOB_NAME --query services.Studio.endpoint -o tsv > studio.txt
check_job

echo "Invoking with a name of its own for the output"
OUTPUT_FILE_NAME=predictions_`echo $RANDOM`.csv
OUTPUT_PATH="azureml://datastores/workspaceblobstore/paths/$ENDPOINT_NAME"
JOB_NAME=$(az ml batch-endpoint invoke --name $ENDPOINT_NAME --input data --output-path $OUTPUT_PATH --set output_file_name=$OUTPUT_FILE_NAME --query name -o tsv)
check_job
az ml job download --name $JOB_NAME --output-name score --download-path ./named
test -s named/named-outputs/score/$OUTPUT_FILE_NAME

echo "Invoking with other settings"
JOB_NAME=$(az ml batch-endpoint invoke --name $ENDPOINT_NAME --input data --mini-batch-size 20 --instance-count 2 --query name -o tsv)
check_job
az ml job show -n $JOB_NAME --query "settings.[mini_batch_size, instance_count]" -o tsv > settings.txt
az ml job download --name $JOB_NAME --output-name score --download-path ./
az ml batch-deployment list-jobs --name $DEPLOYMENT_NAME --endpoint-name $ENDPOINT_NAME --query [].name

echo "Creating the second deployment, not as the default"
az ml model create --name small-mlflow --type "mlflow_model" --path "mlflow-model"
az ml batch-deployment create --file deployment-second/deployment.yml --endpoint-name $ENDPOINT_NAME
DEPLOYMENT_NAME="second-dpl"
JOB_NAME=$(az ml batch-endpoint invoke --name $ENDPOINT_NAME --deployment-name $DEPLOYMENT_NAME --input data --query name -o tsv)
check_job
echo "Downloading into the same place again"
az ml job download --name $JOB_NAME --output-name score --download-path ./

az ml batch-endpoint update --name $ENDPOINT_NAME --set defaults.deployment_name=$DEPLOYMENT_NAME
az ml batch-endpoint show --name $ENDPOINT_NAME --query "{Name:name, Defaults:defaults}" > defaults.json
az ml batch-deployment list --endpoint-name $ENDPOINT_NAME --query "[].name" -o tsv > deployments.txt
JOB_NAME=$(az ml batch-endpoint invoke --name $ENDPOINT_NAME --input data | python3 -c 'import json, sys; print(json.load(sys.stdin)["name"])')
check_job
az ml batch-endpoint list-jobs --name $ENDPOINT_NAME --query [].name > jobs.json

az ml batch-deployment delete --name first-dpl --endpoint-name $ENDPOINT_NAME --yes --no-wait
az ml batch-endpoint delete --name $ENDPOINT_NAME --yes

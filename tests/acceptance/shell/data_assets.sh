# Every way to name the data to score and the place of the output. Needs: WEB_FILE, a URL of a file on a listed host.

ENDPOINT_NAME="inputs"
az ml compute create -n batch-cluster --type amlcompute --max-instances 2 > /dev/null
az ml model create -n small-model -v 1 -p model > /dev/null
az ml batch-endpoint create -n $ENDPOINT_NAME > /dev/null
az ml batch-deployment create -f deployment-first/deployment.yml -e $ENDPOINT_NAME --set-default > /dev/null

az ml data create -f data.yml > /dev/null
mkdir other && cp data/a.txt other/
az ml data create --name small-files --version 7 --path other --type uri_folder > /dev/null
DATASET_ID=$(az ml data show -n small-files --label latest --query id -o tsv)
DATASTORE_ID=$(az ml datastore show -n workspaceblobstore --query id -o tsv)
STORED=$(az ml data show -n small-files --version 1 --query path -o tsv)
STORED_PATH=${STORED#*/paths/}

# scored ARGUMENTS: invokes with them, waits, and prints where the data came from and how many rows there are.
scored () {
    JOB_NAME=$(az ml batch-endpoint invoke --name $ENDPOINT_NAME "$@" --query name -o tsv)
    az ml job stream -n $JOB_NAME > /dev/null
    az ml job show -n $JOB_NAME --query "[counts.rows, input.data_asset, output.path, output.file_name]" -o tsv | tr '\n' ' '
    echo
}

printf 'inputs:\n  small_files: azureml:small-files@latest\n' > by-name.yml
printf 'inputs:\n  small_files:\n    type: uri_folder\n    path: azureml:small-files:1\noutputs:\n  score:\n    type: uri_file\n    path: azureml://datastores/workspaceblobstore/paths/by-file/rows.csv\n' > inputs.yml
{
    scored --input data/a.txt
    scored --input azureml:small-files:1
    scored --input azureml:small-files@latest
    scored --input $DATASET_ID
    scored --set inputs.small_files.type="uri_folder" inputs.small_files.path=$DATASET_ID
    scored --input "azureml://datastores/workspaceblobstore/paths/$STORED_PATH"
    scored --input "$DATASTORE_ID/paths/$STORED_PATH" --input-type uri_folder
    scored --input "azureml:$DATASTORE_ID/paths/$STORED_PATH/a.txt" --input-type uri_file
    scored --input $WEB_FILE --input-type uri_file
    scored -f by-name.yml
    scored --file inputs.yml
    scored --input-dataset azureml:small-files:1
    scored --set inputs.small_files.path=$DATASET_ID --set outputs.score.type=uri_file outputs.score.path=$DATASTORE_ID/paths/by-set/rows.csv
    scored --input $DATASET_ID --outputs score.type=uri_folder score.path=azureml://datastores/workspaceblobstore/paths/as-folder
} > scored.txt

# What is not read is refused at once, with exit code 1 and the reason.
for REFUSED in http://example.org/x.csv https://169.254.169.254/latest azureml:nothing@latest azureml:small-files:9 missing-folder
do
    az ml batch-endpoint invoke --name $ENDPOINT_NAME --input $REFUSED 2>> refused.txt && exit 1
    test $? -eq 1
done
az ml batch-endpoint delete --name $ENDPOINT_NAME --yes

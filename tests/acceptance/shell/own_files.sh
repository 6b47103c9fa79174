# A deployment whose script writes its own files: no predictions file, each item's file in the output.

ENDPOINT_NAME="own-files"
az ml compute create -n batch-cluster --type amlcompute --max-instances 2 > /dev/null
az ml batch-endpoint create -n $ENDPOINT_NAME -f endpoint.yml > /dev/null
az ml batch-deployment create --file deployment-files/deployment.yml --endpoint-name $ENDPOINT_NAME --set-default --no-wait && exit 1
az ml batch-deployment create --file deployment-files/deployment.yml --endpoint-name $ENDPOINT_NAME --no-wait > accepted.json
until [[ $(az ml batch-deployment show -n files-dpl -e $ENDPOINT_NAME --query provisioning_state -o tsv) == "Succeeded" ]]
do
    sleep 0.5
done
az ml batch-endpoint update --name $ENDPOINT_NAME --set defaults.deployment_name=files-dpl > /dev/null
JOB_NAME=$(az ml batch-endpoint invoke --name $ENDPOINT_NAME --input data --query name -o tsv)
az ml job stream -n $JOB_NAME
az ml job download --name $JOB_NAME --output-name score --download-path ./
az ml batch-endpoint delete --name $ENDPOINT_NAME --yes

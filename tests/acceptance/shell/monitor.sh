# Looking after jobs: lists, the step of a job, logs, a failure, a cancelled job, exit codes, and what is not served.

ENDPOINT_NAME="monitor"
az ml compute create -n batch-cluster --type amlcompute --max-instances 2 > /dev/null
az ml model create -n small-model -p model > /dev/null
az ml batch-endpoint create -n $ENDPOINT_NAME > /dev/null
az ml batch-deployment create -f deployment-first/deployment.yml -e $ENDPOINT_NAME --set-default > /dev/null

# code COMMAND: prints its exit code.
code () {
    "$@" > last.out 2> last.err && echo 0 || echo $?
}

GOOD=$(az ml batch-endpoint invoke --name $ENDPOINT_NAME --input data --job-name good-$RANDOM --query name -o tsv)
az ml job stream -n $GOOD > stream.txt
az ml job list --query "[?name=='$GOOD'].status" -o tsv > status.txt
STEP=$(az ml job list --parent-job-name $GOOD --query "[0].name" -o tsv)
az ml job download -n $GOOD --all -p all > /dev/null
az ml job list -o table > table.txt

printf 'def run(mini_batch):\n    raise ValueError("never")\n' > deployment-first/code/batch_driver.py
az ml batch-deployment update -n first-dpl -e $ENDPOINT_NAME --file deployment-first/deployment.yml > /dev/null
BAD=$(az ml batch-endpoint invoke --name $ENDPOINT_NAME --input data --query name -o tsv)

printf 'import time\n\ndef run(mini_batch):\n    time.sleep(600)\n' > deployment-first/code/batch_driver.py
{
    echo stream-failed $(code az ml job stream -n $BAD)
    echo show-failed $(code az ml job show -n $BAD)
    az ml job show -n $BAD --query "[status, error.code]" -o tsv | tr '\n' ' '
    echo
    az ml batch-deployment update -n first-dpl -e $ENDPOINT_NAME --file deployment-first/deployment.yml --set settings.retry_settings.timeout=900 > /dev/null
    SLOW=$(az ml batch-endpoint invoke --name $ENDPOINT_NAME --input data --query name -o tsv)
    az ml job cancel -n $SLOW > /dev/null
    echo stream-canceled $(code az ml job stream -n $SLOW)
    az ml job show -n $SLOW --query status -o tsv
    echo missing $(code az ml job show -n nobody)
    echo usage $(code az ml job show)
    echo unknown-command $(code az ml online-endpoint list)
    echo not-served $(code az storage account list)
    cat last.err
    echo delete-without-yes $(code az ml batch-endpoint delete --name $ENDPOINT_NAME < /dev/null)
    echo delete $(code az ml batch-endpoint delete --name $ENDPOINT_NAME --yes)
    echo delete-again $(code az ml batch-endpoint delete --name $ENDPOINT_NAME --yes)
} > codes.txt
echo "$GOOD $STEP" > names.txt

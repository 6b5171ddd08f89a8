"""The faults there are to be proved against, by number, and why one of them is not played."""

from typing import Final

FAULTS: Final = {
    "F1": "a job-worker, or any other service, is killed in the middle of jobs",
    "F2": "all workers are killed and come back later",
    "F3": "a worker is frozen past its lease and comes back as a zombie",
    "F4": "a worker is frozen for longer than its Kafka session and shorter than its lease",
    "F5": "crash between the work of a task and the publishing of its result",
    "F6": "crash between a write and the commit of the offset behind it",
    "F7": "crash between storing a job and publishing it",
    "F8": "crash between publishing a job and noting that it was published",
    "F9": "Kafka is down while jobs are submitted",
    "F10": "Kafka accepts connections and never answers",
    "F11": "the leading broker of three dies, again and again",
    "F12": "two of three brokers are gone: fewer replicas than a write needs",
    "F13": "the link to Kafka is slow",
    "F14": "connections to Kafka are reset, again and again",
    "F15": "the primary of MongoDB dies, again and again",
    "F16": "the primary of MongoDB steps down, again and again",
    "F17": "MongoDB is frozen for long",
    "F18": "an old primary is cut off from the others, and not from the services",
    "F19": "MongoDB's answers are lost after the write",
    "F20": "bytes that make no sense, on every topic",
    "F21": "one job's task always raises",
    "F22": "dead letters cannot be published",
    "F23": "dlq-workers are killed, and dead letters come twice",
    "F24": "a job that can only fail is redriven, again and again",
    "F25": "the upstream answers with errors, nonsense, slowly, or not at all",
    "F26": "the upstream's quota is used up",
    "F27": "workers come and go under load",
    "F28": "every service is deployed anew under load",
    "F29": "a worker with a long job is told to end",
    "F30": "an api replica with a thousand streams is killed",
    "F31": "an api replica with streams is told to end",
    "F32": "readers of streams stop reading",
    "F33": "events are lost, doubled and come in another order",
    "F34": "an event comes between the steps of a subscription",
    "F35": "job-events gets more partitions",
    "F36": "a client's network is gone without a word",
    "F37": "a worker's clock jumps by an hour",
    "F38": "the disk under Kafka, then under MongoDB, is full",
    "F39": "the api has no file descriptors left",
    "F40": "a worker has no memory left",
    "F41": "the power fails",
    "F42": "faults of all kinds, mixed by chance",
    "F43": "a backlog of 100,000 jobs",
    "F44": "two dispatchers at once",
    "F47": "a plain function hangs, computes for long, or raises what no future takes",
    "F48": "a task takes down the process it runs in",
    "F49": "a task cannot be imported, opened, or told from another",
    "F52": "Kafka is away for long, and outcomes queue behind one another",
}

NOT_PLAYED: Final = {
    "F41": (
        "It takes a block device that drops what was not synced. With one replica a power cut may cost what Kafka "
        "has not written yet (it does not sync each message) - the record in MongoDB, journaled before the answer, "
        "brings the job back; MongoDB itself is as safe as its one disk. Promised is this for three replicas only"
    ),
}
"""Faults without a test, and the reason."""

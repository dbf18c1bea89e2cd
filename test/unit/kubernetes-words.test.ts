// The sentences of Kubernetes, its scheduler, kubelet and runtimes, as they were recorded or stand in their sources.
import { describe, expect, test } from 'vitest';
import {
  evictedFor,
  isEnvTooLarge,
  isPullFailure,
  isUnreachableTaint,
  missingObject,
  pullProblem,
  pullWords,
  refusedPod,
  startFailure,
} from '../../lib/domain/kubernetes-words.ts';

describe('an object that is missing', () => {
  test.each([
    ['secret "terrakube-executor-secrets" not found', { kind: 'Secret', name: 'terrakube-executor-secrets' }],
    ['configmap "terrakube-executor-config" not found', { kind: 'ConfigMap', name: 'terrakube-executor-config' }],
    [
      'MountVolume.SetUp failed for volume "payload" : secret "job-17-0123456789" not found',
      { kind: 'Secret', name: 'job-17-0123456789' },
    ],
    [
      `0/1 nodes are available: persistentvolumeclaim "plugins" not found. not found`,
      { kind: 'PersistentVolumeClaim', name: 'plugins' },
    ],
    [
      "couldn't find key EphemeralJobData in Secret terrakube/job-17-0123456789",
      { kind: 'Secret', name: 'job-17-0123456789', key: 'EphemeralJobData' },
    ],
    ["couldn't find key REGION in ConfigMap terrakube/config", { kind: 'ConfigMap', name: 'config', key: 'REGION' }],
    ['serviceaccount "nothere" not found', undefined],
    ['container has runAsNonRoot and image will run as root', undefined],
    ['', undefined],
  ])('%s', (message, expected) => {
    expect(missingObject(message)).toEqual(expected);
  });
});

describe('an image that does not come', () => {
  const final = { isFinal: true, isPassing: false };
  const passing = { isFinal: false, isPassing: true };
  const neither = { isFinal: false, isPassing: false };
  test.each([
    [
      'failed to pull and unpack image "docker.io/azbuilder/executor:2": failed to copy: httpReadSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/azbuilder/executor/manifests/sha256:0a: 429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit.',
      { short: 'rate limit', ...passing },
    ],
    ['pull QPS exceeded', { short: 'rate limit', ...passing }],
    [
      'failed to do request: Head "https://r.example/v2/": dial tcp 10.0.0.1:443: i/o timeout',
      { short: 'time-out', ...passing },
    ],
    [
      'failed to do request: Head "https://r.example/v2/": net/http: TLS handshake timeout',
      { short: 'time-out', ...passing },
    ],
    ['rpc error: code = DeadlineExceeded desc = context deadline exceeded', { short: 'time-out', ...passing }],
    ['dial tcp 10.0.0.1:443: connect: no route to host', { short: 'no route', ...passing }],
    ['dial tcp [2600::1]:443: connect: network is unreachable', { short: 'no route', ...passing }],
    [
      'failed to do request: Head "https://registry.example.invalid/v2/executor/manifests/2.22.0": dial tcp: lookup registry.example.invalid on 10.255.255.53:53: no such host',
      { short: 'no such host', ...neither },
    ],
    [
      'failed to resolve reference "x": unexpected status from HEAD request to https://1.dkr.ecr.eu-central-1.amazonaws.com/v2/x/manifests/1: 403 Forbidden',
      { short: 'unauthorized', ...neither },
    ],
    [
      'failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://auth.docker.io/token: 401 Unauthorized',
      { short: 'unauthorized', ...neither },
    ],
    [
      'pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed',
      { short: 'unauthorized', ...neither },
    ],
    [
      'failed to resolve reference "docker.io/azbuilder/executor:nope": docker.io/azbuilder/executor:nope: not found',
      { short: 'not found', ...final },
    ],
    ['reading manifest 9 in registry.example/executor: manifest unknown', { short: 'not found', ...final }],
    [
      'Failed to apply default image tag "Azbuilder:x:y": couldn\'t parse image name "Azbuilder:x:y": invalid reference format',
      { short: 'invalid name', ...final },
    ],
    [
      'Container image "localhost/nothere:1" is not present with pull policy of Never',
      { short: 'pull policy Never', ...final },
    ],
    [
      'failed to do request: Head "https://127.0.0.1:5055/v2/missing/executor/manifests/9": tls: first record does not look like a TLS handshake',
      { short: 'first record does not look like a TLS handshake', ...neither },
    ],
    [
      'failed to pull image "registry/not-found/unauthorized:429": it is raining',
      { short: 'it is raining', ...neither },
    ],
    ['', { short: '', ...neither }],
  ])('%s', (message, expected) => {
    expect(pullProblem(message)).toEqual(expected);
  });

  test('has words of the registry without the image', () => {
    const words = 'failed to resolve image: no such host';
    const said = `failed to pull and unpack image "r/x:1": ${words}`;
    expect(pullWords(`Back-off pulling image "r/x:1": ErrImagePull: ${said}`)).toBe(words);
    expect(pullWords(`Failed to pull image "r/x:1": ${said}`)).toBe(words);
    expect(pullWords(said)).toBe(words);
  });

  test('has an Event of a reason that other failures have too', () => {
    expect(isPullFailure('Failed to pull image "r/x:1": not found')).toBe(true);
    expect(isPullFailure('Error: secret "x" not found')).toBe(false);
  });
});

describe('a pod that is refused', () => {
  const pod = 'Error creating: pods "job-17-abcde" is forbidden: ';
  test.each([
    [
      `${pod}error looking up service account terrakube/nothere: serviceaccount "nothere" not found`,
      'serviceAccountMissing',
      'service account "nothere" does not exist',
    ],
    [
      `${pod}exceeded quota: pods-quota, requested: pods=1, used: pods=20, limited: pods=20`,
      'quota',
      'pods quota 20/20 used in terrakube',
    ],
    [
      `${pod}exceeded quota: compute, requested: limits.memory=2Gi,requests.cpu=1, used: limits.memory=7Gi,requests.cpu=3, limited: limits.memory=8Gi,requests.cpu=4`,
      'quota',
      'limits.memory quota 7Gi/8Gi used in terrakube',
    ],
    [
      `${pod}failed quota: compute: must specify limits.cpu for: executor; limits.memory for: executor`,
      'podRefused',
      'pod refused by quota compute: must specify limits.cpu for: executor; limits.memory for: executor',
    ],
    [
      `${pod}violates PodSecurity "restricted:latest": runAsNonRoot != true (pod or container "executor" must set securityContext.runAsNonRoot=true)`,
      'podRefused',
      'pod refused by PodSecurity restricted: runAsNonRoot != true (pod or container "executor" must set securityContext.runAsNonRoot=true)',
    ],
    [
      `${pod}maximum memory usage per Container is 1Gi, but limit is 2Gi`,
      'podRefused',
      'pod refused by LimitRange: maximum memory usage per Container is 1Gi, but limit is 2Gi',
    ],
    [
      `${pod}cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000`,
      'podRefused',
      'pod refused by LimitRange: cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000',
    ],
    [
      'Error creating: admission webhook "validate.policy.example.com" denied the request: image registry is not allowed',
      'podRefused',
      'pod refused by webhook validate.policy.example.com: image registry is not allowed',
    ],
    [
      `${pod}ValidatingAdmissionPolicy 'images' with binding 'all' denied request: image registry is not allowed`,
      'podRefused',
      'pod refused by policy images: image registry is not allowed',
    ],
    [
      `${pod}no PriorityClass with name terraform was found`,
      'podRefused',
      'pod refused: no PriorityClass with name terraform was found',
    ],
    [
      'Error creating: Internal error occurred: failed calling webhook "validate.policy.example.com": failed to call webhook',
      'unknown',
      'Kubernetes says: FailedCreate: Internal error occurred: failed calling webhook "validate.policy.example.com": failed to call webhook',
    ],
  ])('%s', (message, cause, title) => {
    expect(refusedPod(message, 'terrakube')).toMatchObject({ cause, title });
  });

  test('is quoted without its name, which is another one at each attempt', () => {
    const { words } = refusedPod(
      `${pod}exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2`,
      'terrakube',
    );
    expect(words).toBe('exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2');
  });

  test('by a quota of which the numbers are not to be read', () => {
    const { title } = refusedPod(
      `${pod}exceeded quota: q, requested: pods=1, used: cpu=2, limited: pods=2`,
      'terrakube',
    );
    expect(title).toBe('pods quota ?/2 used in terrakube');
  });
});

describe('an eviction', () => {
  test.each([
    ['Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. ', 'ephemeral-storage over 20Mi'],
    ['Container executor exceeded its local ephemeral storage limit "1Gi". ', 'ephemeral-storage over 1Gi'],
    ['Usage of EmptyDir volume "work" exceeds the limit "1Gi". ', 'volume work over 1Gi'],
    [
      'The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi. Container executor was using 1200Mi, request is 0, has larger consumption of memory. ',
      'the node ran low on memory',
    ],
    ['The node was low on resource: ephemeral-storage. ', 'the node ran low on ephemeral-storage'],
    ['Pod was rejected: The node had condition: [DiskPressure]. ', 'the node has DiskPressure'],
    ['The moon is full.', 'The moon is full.'],
  ])('%s', (message, expected) => {
    expect(evictedFor(message)).toBe(expected);
  });
});

describe('a container that does not start', () => {
  test.each([
    [
      'failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/no/such/binary": stat /no/such/binary: no such file or directory',
      'exec: "/no/such/binary": stat /no/such/binary: no such file or directory',
    ],
    ['OCI runtime create failed: open /proc/self: no such file', 'open /proc/self: no such file'],
    ['context canceled', 'context canceled'],
  ])('%s', (message, expected) => {
    expect(startFailure(message)).toBe(expected);
  });

  test('because of its environment', () => {
    expect(isEnvTooLarge('exec /bin/sh: argument list too long\n')).toBe(true);
    expect(isEnvTooLarge('exec /bin/sh: no such file')).toBe(false);
  });
});

test('a taint that says that a node is gone', () => {
  expect(isUnreachableTaint('taint node.kubernetes.io/unreachable:NoExecute')).toBe(true);
  expect(isUnreachableTaint('taint node.kubernetes.io/not-ready:NoExecute')).toBe(true);
  expect(isUnreachableTaint('Taint manager: deleting due to NoExecute taint')).toBe(false);
});

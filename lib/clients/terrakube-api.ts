// Terrakube's JSON:API of one job, and its log stream. Only the fields that we use are asked for: a whole job carries its
// template, and the answer would grow with every step.
import type { DispatchIds } from '../domain/dispatch-request.ts';
import { DispatcherError } from '../domain/errors.ts';
import type { Terrakube, TerrakubeChange } from '../ports.ts';
import { parseTerrakubeErrors, parseTerrakubeJob } from '../schemas/terrakube-document.ts';
import {
  createTerrakubeCall,
  encodeQuery,
  refusedByTerrakube as refused,
  type TerrakubeCall,
  type TerrakubeOptions,
} from './terrakube-http.ts';

const SPARSE = encodeQuery('include=step&fields[job]=status,comments,step&fields[step]=status,name,stepNumber,output');

/** Creates the client of one Terrakube. It needs no IAM action and no RBAC verb. */
export const createTerrakubeApi = (options: TerrakubeOptions): Terrakube =>
  createTerrakube(createTerrakubeCall(options));

/** Creates the client on a connection that it shares with others. */
export function createTerrakube(call: TerrakubeCall): Terrakube {
  const patch = async (path: string, type: string, id: string, attributes: TerrakubeChange): Promise<void> => {
    await call('PATCH', path, { data: { type, id, attributes } });
  };
  return {
    async getJob(ids) {
      const path = `${jobPath(ids)}?${SPARSE}`;
      const reply = await call('GET', path);
      const text = reply.body.toString('utf8');
      if (reply.status === 404) {
        if (parseTerrakubeErrors(text).includes(`Unknown identifier [${ids.jobId}] for job`)) return 'notFound';
        // Another 404 comes from a wrong URL or a proxy: it says nothing about the job.
        throw refused(reply, `GET ${jobPath(ids)}`);
      }
      const job = parseTerrakubeJob(text);
      if (!job)
        throw new DispatcherError('terrakubeRefused', `Terrakube's answer to GET ${jobPath(ids)} is not a job.`);
      return job;
    },
    patchJob: (ids, change) => patch(jobPath(ids), 'job', ids.jobId, change),
    patchStep: (ids, change) => patch(`${jobPath(ids)}/step/${ids.stepId}`, 'step', ids.stepId, change),
    async appendLog(ids, lines) {
      const data = lines.map((output, index) => ({
        jobId: Number(ids.jobId),
        stepId: ids.stepId,
        lineNumber: index + 1,
        output,
      }));
      await call('POST', '/logs', { data });
    },
    async readLog({ organizationId, jobId, stepId }) {
      const path = `/tfoutput/v1/organization/${organizationId}/job/${jobId}/step/${stepId}`;
      const reply = await call('GET', path);
      if (reply.status === 404) throw refused(reply, `GET ${path}`);
      return reply.body.toString('utf8');
    },
  };
}

const jobPath = ({ organizationId, jobId }: DispatchIds): string =>
  `/api/v1/organization/${organizationId}/job/${jobId}`;

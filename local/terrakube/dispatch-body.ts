/**
 * The body of a dispatch POST: every key in Terrakube's order, nulls included, and the job's number as text.
 */
import type { Command, Job, Step } from './world.ts';

/** Builds the JSON text for one step; `commands` replaces the step's own when a rejection runs commands. */
export function buildDispatchBody(job: Job, step: Step, commands: readonly Command[] | null): string {
  const { accessToken, environmentVariables, variables } = job.request;
  return JSON.stringify({
    commandList: commands,
    onFailureList: step.onFailure,
    type: step.type,
    organizationId: job.organizationId,
    workspaceId: job.workspaceId,
    jobId: String(job.id),
    stepId: step.stepId,
    terraformVersion: '1.9.8',
    source: 'https://git.example.invalid/demo/repo.git',
    branch: 'main',
    folder: '/',
    vcsType: 'PUBLIC',
    connectionType: null,
    refresh: true,
    refreshOnly: false,
    showHeader: true,
    ignoreError: false,
    accessToken: (typeof accessToken === 'function' ? accessToken() : accessToken) ?? null,
    moduleSshKey: null,
    commitId: null,
    tofu: false,
    environmentVariables: {
      organizationName: 'simple',
      ...environmentVariables,
      TF_IN_AUTOMATION: '1',
      workspaceName: `workspace-${job.workspaceId.slice(0, 8)}`,
    },
    variables: variables ?? {},
  });
}

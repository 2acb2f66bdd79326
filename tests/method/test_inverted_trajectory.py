"""The reference's trajectory: which latents it keeps."""

import pytest
import torch

from motion_inversion.backbone.model import Backbone
from motion_inversion.error import InputError
from motion_inversion.method.inverted_trajectory import inverted_trajectory
from motion_inversion.method.method import Reference


def test_it_keeps_the_timesteps_of_the_sampler_noisiest_first(model: Backbone, reference: Reference):
    # Four steps pass 1, 251, 501 and 751, two keep 1 and 501. From clean latents to 1, from there over 251 to 501:
    latents = reference.latents
    passed = {}
    with torch.no_grad():
        for before, t in ((-249, 1), (1, 251), (251, 501)):
            latents = model.process.unstep(latents, model.predict(latents, t, reference.condition), before, t)
            passed[t] = latents
    assert torch.equal(inverted_trajectory(model, reference, 2, 4), torch.cat([passed[501], passed[1]]))


def test_an_inversion_that_passes_other_timesteps_is_refused(model: Backbone, reference: Reference):
    # Three steps pass 1, 334 and 667, not 501.
    message = r"method\.inversion_steps=3 does not pass timestep 501, .* method\.sampling_steps=2 does"
    with pytest.raises(InputError, match=message):
        inverted_trajectory(model, reference, 2, 3)
    with pytest.raises(InputError, match=r"method\.inversion_steps=1001"):
        inverted_trajectory(model, reference, 2, 1001)
    with pytest.raises(InputError, match=r"method\.sampling_steps=1001"):
        inverted_trajectory(model, reference, 1001, 999)
